"""Dagster only: partitions, assets, checks, resources, sensor, jobs. Nothing is computed here."""

import warnings

import dagster as dg

# Backfill policies are marked beta; a warning at every command would teach people to ignore warnings.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
