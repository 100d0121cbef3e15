#!/usr/bin/env bash
#SBATCH --job-name=argdask-array
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
#SBATCH --array=0-63
cd /
module load python
/shared/bin/argdask part /shared/pairs.zarr --index $SLURM_ARRAY_TASK_ID --of 64
