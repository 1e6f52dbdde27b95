"""What Dagster loads. One recursive load of the assets; nothing but the settings file is read."""

import dagster as dg

from autotag.defs import assets, checks
from autotag.defs.catalog_sensor import stale_catalog_sensor
from autotag.defs.folder_sensor import target_folder_sensor
from autotag.defs.jobs import (
    catalog_job,
    discovery_job,
    index_job,
    observe_source_job,
    process_target_job,
    review_job,
    sidecars_job,
    source_job,
    thresholds_job,
)
from autotag.defs.partitions import SETTINGS
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.defs.retired_folders import forget_retired_job, retired_folder_sensor
from autotag.defs.shard_sensor import source_shard_sensor
from autotag.defs.threshold_sensor import tag_threshold_sensor

defs = dg.Definitions(
    assets=dg.load_assets_from_package_module(assets, include_specs=True),
    asset_checks=dg.load_asset_checks_from_package_module(checks),
    jobs=[
        source_job,
        observe_source_job,
        index_job,
        process_target_job,
        review_job,
        sidecars_job,
        catalog_job,
        thresholds_job,
        discovery_job,
        forget_retired_job,
    ],
    sensors=[
        source_shard_sensor,
        target_folder_sensor,
        stale_catalog_sensor,
        retired_folder_sensor,
        tag_threshold_sensor,
    ],
    resources={"runtime": AutotagRuntime(config=str(SETTINGS.file or ""))},
    executor=dg.in_process_executor,
)
