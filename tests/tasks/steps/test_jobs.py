import pickle

from inr.config import CodecConfig, Contract
from tasks.catalogue.recipe import Recipe
from tasks.settings import RunOptions
from tasks.steps.jobs import ArchiveJob


def test_a_job_comes_whole_to_a_worker_in_another_process():
    recipe = Recipe(CodecConfig(target_bpp=0.5), Contract(30.0), 100)
    job = ArchiveJob(run_id="run", store="s3://archive/x", recipe=recipe, options=RunOptions(workers=2))
    found = pickle.loads(pickle.dumps(job))
    assert found == job
    assert found.recipe.archive_digest() == recipe.archive_digest()
