"""What a new installation needs: buckets, pools, deployments, automations. A second time it changes nothing.

    python deployments/initialise.py [--buckets] [--automations FILE]

It wants `PREFECT_API_URL`, `INR_SOURCE` and `INR_STORE`, and makes nothing where one is not set: it would do
so on a server that ends with it, or make nights without a source. With ``--buckets``, which makes buckets
that are not there, it wants the variables of S3, too. It tries the store as `inr check` does, and its exit
code is not 0 where anything fails.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound

FOLDER = Path(__file__).absolute().parent
NEEDED = ("PREFECT_API_URL", "INR_SOURCE", "INR_STORE")


def main() -> None:
    """Make what is missing, in the order in which one thing needs another."""
    parser = argparse.ArgumentParser(description="Makes what a new installation needs.")
    parser.add_argument("--buckets", action="store_true", help="make the buckets of source and store, too")
    parser.add_argument(
        "--automations",
        type=Path,
        default=FOLDER / "automations.yaml",
        metavar="FILE",
        help="in place of ours",
    )
    given = parser.parse_args()
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        parser.error(f"expected the variables {', '.join(NEEDED)}, found no {' and no '.join(missing)}")
    if given.buckets:
        for url in (os.environ["INR_SOURCE"], os.environ["INR_STORE"]):
            if url.startswith("s3://"):
                make_bucket(url)
    check_store(os.environ["INR_STORE"])
    deployments = yaml.safe_load((FOLDER / "prefect.yaml").read_text())["deployments"]
    with get_client(sync_client=True) as client:
        for pool in sorted({deployment["work_pool"]["name"] for deployment in deployments}):
            make_pool(client, pool)
        make_queue(client, "inr-workers", "audits", 1)
        deploy()
        for automation in yaml.safe_load(given.automations.read_text()):
            make_automation(client, AutomationCore.model_validate(automation))


def make_bucket(url: str) -> None:
    """Make the bucket of a URL, if there is none; a server that is starting is waited for."""
    from botocore.exceptions import ClientError

    from tasks.store.objects import retried
    from tasks.store.s3 import parse_url
    from tasks.store.s3_client import about_s3, client, code_of

    bucket = parse_url(url).bucket

    @retried
    def make() -> None:
        with about_s3(f"make the bucket {bucket}"):
            try:
                client().head_bucket(Bucket=bucket)
            except ClientError as error:
                if code_of(error) not in {"404", "NoSuchBucket", "NotFound"}:
                    raise
                client().create_bucket(Bucket=bucket)
                print(f"bucket {bucket}: made")

    make()


def check_store(url: str) -> None:
    """Try what an archive asks of its store."""
    if not url.startswith("s3://"):
        Path(url.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
    run("-c", "from flows.cli import main; main()", "check", url)


def make_pool(client: SyncPrefectClient, name: str) -> None:
    """Make a pool of processes, if there is none of that name."""
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        run("-m", "prefect", "work-pool", "create", name, "--type", "process")


def make_queue(client: SyncPrefectClient, pool: str, name: str, priority: int) -> None:
    """Make a queue of a pool, if there is none of that name; what is in it goes before what has more."""
    try:
        client.read_work_queue_by_name(name, work_pool_name=pool)
    except ObjectNotFound:
        words = ("work-queue", "create", name, "--pool", pool, "--priority", str(priority))
        run("-m", "prefect", *words)


def deploy() -> None:
    """Deploy all that `prefect.yaml` names, as it is now."""
    words = ("--no-prompt", "deploy", "--prefect-file", str(FOLDER / "prefect.yaml"), "--all")
    run("-m", "prefect", *words)


def make_automation(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    """Make an automation, or change the one of that name to what it is to be."""
    found = client.read_automations_by_name(wanted.name)
    if found:
        client.update_automation(found[0].id, wanted)
    else:
        client.create_automation(wanted)
    print(f"automation {wanted.name}: {'as it is to be' if found else 'made'}")


def run(*words: str) -> None:
    """Run Python with some words, from the folder above this one."""
    subprocess.run([sys.executable, *words], cwd=FOLDER.parent, check=True)


if __name__ == "__main__":
    main()
