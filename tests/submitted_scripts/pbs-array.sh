#!/usr/bin/env bash
#PBS -N argdask-array
#PBS -q long
#PBS -A astro
#PBS -l select=1:ncpus=1:mem=3815MB
#PBS -l walltime=04:00:00
#PBS -r n
#PBS -j oe
#PBS -o /shared/logs/
#PBS -M somebody@example.org
#PBS -J 0-63
cd /
module load python
/shared/bin/argdask part /shared/pairs.zarr --index ${PBS_ARRAY_INDEX:-$PBS_ARRAYID} --of 64
