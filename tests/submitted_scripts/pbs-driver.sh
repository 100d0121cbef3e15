#!/usr/bin/env bash
#PBS -N argdask-driver
#PBS -q long
#PBS -A astro
#PBS -l select=1:ncpus=2:mem=3815MB
#PBS -l walltime=12:00:00
#PBS -r n
#PBS -j oe
#PBS -o /shared/logs/
#PBS -M somebody@example.org
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
        qsub -v ARGDASK_RESUBMITS=$((resubmits - 1)) "$script"
    fi
fi
exit "$code"
