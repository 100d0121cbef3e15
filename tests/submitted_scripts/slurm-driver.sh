#!/usr/bin/env bash
#SBATCH --job-name=argdask-driver
#SBATCH --partition=long
#SBATCH --account=astro
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=3815M
#SBATCH --time=12:00:00
#SBATCH --no-requeue
#SBATCH --output=/shared/logs/%x-%j.log
#SBATCH -M somebody@example.org
cd /
module load python
store=/shared/pairs.zarr
script=/shared/pairs.zarr.jobs/driver.sh
resubmits=${ARGDASK_RESUBMITS:-5}
# One line for each part that is done, by whichever run.
receipts() {
    cat "$store"{,.extension}.receipts/*.jsonl 2>/dev/null | grep -c '"files":'
}
before=$(receipts)
code=0
# Told to stop in time, the driver closes what it has opened.
timeout --preserve-status --signal=TERM 43080 /shared/bin/argdask generate /shared/pairs.zarr --galaxies 1000 --set 'profile.name=my profile' || code=$?
if [ "$code" -eq 3 ]; then
    if [ "$(receipts)" -le "$before" ]; then
        echo "argdask: this run added nothing; not submitted again" >&2
    elif [ "$resubmits" -le 0 ]; then
        echo "argdask: submitted often enough" >&2
    else
        ARGDASK_RESUBMITS=$((resubmits - 1)) sbatch --export=ALL "$script"
    fi
fi
exit "$code"
