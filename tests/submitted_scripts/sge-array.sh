#!/usr/bin/env bash
#$ -N argdask-array
#$ -q long
#$ -P astro
#$ -l h_rt=04:00:00
#$ -r no
#$ -S /bin/bash
#$ -cwd
#$ -j y
#$ -o /shared/logs/
#$ -M somebody@example.org
#$ -t 1-64
cd /
module load python
/shared/bin/argdask part /shared/pairs.zarr --index $((SGE_TASK_ID - 1)) --of 64
