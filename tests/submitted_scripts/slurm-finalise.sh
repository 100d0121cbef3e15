#!/usr/bin/env bash
#SBATCH --job-name=argdask-finalise
#SBATCH --partition=long
#SBATCH --account=astro
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=3815M
#SBATCH --time=04:00:00
#SBATCH --no-requeue
#SBATCH --output=/shared/logs/%x-%j.log
#SBATCH -M somebody@example.org
cd /
module load python
/shared/bin/argdask finalise /shared/pairs.zarr
