"""The queries of a report over its rows, which are the temporary table ``picked``.

The database makes sums and bins, and the number of rows that are shown one by one has a limit.
"""

from inr.config import MODELS
from tasks.catalogue.audits import LOST
from tasks.catalogue.records import LOSSLESS, Status

ARCHIVED = Status.ARCHIVED.value
FOUND_LOST = tuple(sorted(status.value for status in LOST))
MAX_POINTS = 10_000
MAX_GOALS = 7
MAX_SETTINGS = 40
MAX_FAILURES = 200

LOSSY = (
    f"status = '{ARCHIVED}' and model <> '{LOSSLESS}' and isfinite(psnr_db) and rate_bpp > 0 "
    "and image_digest is not null"
)

PICKED = """
create temp table picked as select
    coalesce(image_digest, source_uri) as image, image_digest, archive_digest, config_json,
    status, error_type, error_message, recorded_at, source_path, source_n_bytes, width, height,
    model, preset, goal, goal_value, min_psnr_db, n_bytes, rate_bpp, psnr_db, ms_ssim,
    fit_seconds, encode_seconds, decode_seconds
from images where ? is null or run_id = ?
"""
GOALS = f"""
create temp table goals as select goal, goal_value from picked
where status = '{ARCHIVED}' and model <> '{LOSSLESS}'
group by all order by count(*) desc, goal, goal_value limit {MAX_GOALS}
"""
SUMS = f"""
count(*) filter (status = '{ARCHIVED}') as n_archived,
count(*) filter (status = '{ARCHIVED}' and model = '{LOSSLESS}') as n_stored_lossless,
count(*) filter (status <> '{ARCHIVED}') as n_failed,
coalesce(sum(n_bytes) filter (status = '{ARCHIVED}'), 0)::bigint as n_bytes,
coalesce(sum(fit_seconds), 0) / 3600 as fit_hours
"""
TOTALS = f"""
select {SUMS},
    count(distinct image) filter (status = '{ARCHIVED}') as n_images,
    (select coalesce(sum(n), 0)::bigint from
        (select any_value(source_n_bytes) as n from picked where status = '{ARCHIVED}' group by image)
    ) as originals_n_bytes,
    8 * sum(n_bytes) filter (status = '{ARCHIVED}')
        / sum(width::bigint * height) filter (status = '{ARCHIVED}') as rate_bpp,
    count(*) filter (status = '{ARCHIVED}' and isfinite(psnr_db)) as n_inexact,
    avg(psnr_db) filter (status = '{ARCHIVED}' and isfinite(psnr_db)) as mean_psnr_db,
    min(psnr_db) filter (status = '{ARCHIVED}' and isfinite(psnr_db)) as worst_psnr_db,
    min(recorded_at) as first_at, max(recorded_at) as last_at,
    count(distinct archive_digest) as n_settings
from picked
"""
SETTINGS = f"""
with each as (select archive_digest, coalesce(any_value(config_json), '{{}}') as config_json,
    coalesce(any_value(model) filter (model <> '{LOSSLESS}'), any_value(model)) as model,
    any_value(preset) as preset, any_value(goal) as goal, any_value(goal_value) as goal_value,
    any_value(min_psnr_db) as min_psnr_db, {SUMS},
    coalesce(sum(source_n_bytes) filter (status = '{ARCHIVED}'), 0)::bigint as source_n_bytes,
    avg(decode_seconds) filter (status = '{ARCHIVED}') as decode_seconds,
    count(is_compared) as n_measured, coalesce(bool_or(is_compared), false) as is_compared,
    8 * sum(n_bytes) filter (is_compared is not null)
        / sum(width::bigint * height) filter (is_compared is not null) as rate_bpp,
    sum(source_n_bytes) filter (is_compared is not null)
        / nullif(sum(n_bytes) filter (is_compared is not null), 0) as ratio,
    avg(psnr_db) filter (is_compared is not null) as mean_psnr_db,
    min(psnr_db) filter (is_compared is not null) as worst_psnr_db,
    avg(ms_ssim) filter (is_compared is not null and isfinite(ms_ssim)) as mean_ms_ssim
from picked left join measured using (image_digest, archive_digest)
group by archive_digest)
select * from each order by coalesce(list_position({list(MODELS)}, model), {len(MODELS) + 1}), preset, goal,
    if(goal = 'rd_lambda', -goal_value, goal_value), archive_digest
limit {MAX_SETTINGS + 1}
"""
POINTS = f"""
select model, preset, goals.goal, picked.goal, picked.goal_value, rate_bpp, psnr_db, source_path
from picked left join goals using (goal, goal_value)
where {LOSSY} order by hash(image, archive_digest) limit {MAX_POINTS}
"""
RANGES = f"""
select min(psnr_db), max(psnr_db), log2(min(rate_bpp)), log2(max(rate_bpp)), count(*)
from picked where {LOSSY}
"""
BINS = f"""
select model, floor({{value}} / {{width}})::int as bin, count(*)
from picked where {LOSSY} group by all order by 1, 2
"""
# A fit that goes on from another has the last steps alone, so that those count which begin first.
HISTORY = """
with whole as (select image_digest, archive_digest, attempt, min(step) as first_step
        from history group by image_digest, archive_digest, attempt
        qualify first_step = min(first_step) over (partition by image_digest, archive_digest)),
    last as (select image_digest, archive_digest, max(attempt) as attempt from whole group by all),
    fits as (select * from picked join measured using (image_digest, archive_digest)
        join goals using (goal, goal_value)),
    shown as (select archive_digest from fits group by archive_digest, model, preset, goal, goal_value
        qualify row_number() over (partition by model, preset, goal, goal_value
            order by bool_or(is_compared) desc, count(*) desc, archive_digest) = 1),
    points as (select model, preset, fits.goal, fits.goal_value,
        avg(step) as step, avg(estimated_bpp) as bpp, avg(history.psnr_db) as psnr_db,
        count(distinct image_digest) as n_images
    from history join last using (image_digest, archive_digest, attempt)
        join fits using (image_digest, archive_digest) join shown using (archive_digest)
    where n_steps > 0 and isfinite(history.psnr_db) and isfinite(estimated_bpp)
    group by model, preset, fits.goal, fits.goal_value, ceil(100.0 * step / n_steps))
select * from points
qualify n_images = max(n_images) over (partition by model, preset, goal, goal_value)
order by model, preset, goal_value, step
"""
WORST = f"""
select images.* from images join (
    select image_digest, archive_digest from picked where {LOSSY}
    qualify row_number() over (partition by image_digest order by psnr_db, archive_digest) = 1
    order by psnr_db, image_digest limit ?
) using (image_digest, archive_digest) order by psnr_db, image_digest
"""
REASONS = f"""
select coalesce(error_type, 'unknown'), count(*)
from picked where status <> '{ARCHIVED}' group by 1 order by 2 desc, 1
"""
FAILURES = f"""
select source_path, model, preset, goal, goal_value, coalesce(error_type, '') as error_type,
    coalesce(error_message, '') as error_message
from picked where status <> '{ARCHIVED}'
order by error_type, source_path, model, preset, goal, goal_value limit {MAX_FAILURES}
"""
FINDINGS = f"""
select key, status, coalesce(error_message, '') as message from audits
qualify row_number() over (partition by key order by checked_at desc) = 1 and status in {FOUND_LOST}
order by key limit {MAX_FAILURES}
"""
