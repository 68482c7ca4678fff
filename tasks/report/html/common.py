"""The images over which the settings of an archive are compared.

A sweep is not marked as such in the catalogue, and a later one adds to it. What is compared is read
from the rows: of the sets of settings under which an image is archived, the one that gives the most
pairs of files of one image to compare. Numbers of these settings are over the images that have all of them.
"""

from collections import Counter
from itertools import combinations

from tasks.catalogue.query import Tables
from tasks.report.html.queries import LOSSY

MAX_IMAGES = 1000
MAX_SETS = 200
MAX_MIXED = 30  # of the sets, those whose common parts are tried too

_SETS = f"""
with each as (
    select list(distinct archive_digest order by archive_digest) as settings
    from picked where {LOSSY} group by image_digest
)
select settings, count(*) as n from each where len(settings) > 1
group by 1 order by n desc, settings limit {MAX_SETS}
"""
_MEASURED = f"""
create temp table measured as
with lossy as (
    select distinct image_digest, archive_digest, list_contains(?::varchar[], archive_digest) as is_compared
    from picked where {LOSSY}
)
select * from lossy where not is_compared or image_digest in (
    select image_digest from lossy where is_compared group by 1 having count(*) = ?
    order by 1 limit {MAX_IMAGES}
)
"""


def measure(tables: Tables) -> None:
    """Make of the table ``picked`` the table ``measured``: the bitstreams over which means are taken.

    It has `image_digest` and `archive_digest` of each one. `is_compared` is true for those of the settings
    that are compared; these have the same images, at most `MAX_IMAGES`. Other settings have all of their own.

    Raises:
        CatalogueError: A part is damaged.
    """
    chosen = most_pairs(Counter({frozenset(names): n for names, n in tables.ask(_SETS).rows}))
    tables.ask(_MEASURED, (sorted(chosen), len(chosen)))


def most_pairs(sets: Counter[frozenset[str]]) -> frozenset[str]:
    """The set of settings with the most pairs of files to compare, over the images that have all of them.

    Args:
        sets: The settings of an image, and how many images have just these.

    Returns:
        One of these sets or the common part of two; empty where no image has two settings.
    """

    def n_pairs(chosen: frozenset[str]) -> int:
        n_images = sum(n for names, n in sets.items() if chosen <= names)
        return n_images * len(chosen) * (len(chosen) - 1)

    mixed = {a & b for a, b in combinations([names for names, _ in sets.most_common(MAX_MIXED)], 2)}
    candidates = {names for names in {*sets, *mixed} if len(names) > 1}
    return max(candidates, key=lambda chosen: (n_pairs(chosen), sorted(chosen)), default=frozenset())
