#!/usr/bin/env bash
#$ -N argdask-finalise
#$ -q long
#$ -P astro
#$ -l h_rt=04:00:00
#$ -r no
#$ -S /bin/bash
#$ -cwd
#$ -j y
#$ -o /shared/logs/
#$ -M somebody@example.org
cd /
module load python
/shared/bin/argdask finalise /shared/pairs.zarr
