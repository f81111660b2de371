"""What follows a merge or a build: the published tables and the dictionary are brought up to date."""

from __future__ import annotations

from dropless.contract import Contract
from dropless.contract.loading import load_folders
from dropless.lake.dataset import Dataset, datasets
from dropless.lake.dictionary import store_dictionary
from dropless.lake.personal import personal_of
from dropless.lake.publishing import Published, publish, publish_table
from dropless.lake.store import Store
from dropless.settings import Settings


def after_merge(settings: Settings, store: Store, contract: Contract) -> list[Published]:
    """Publish a unified table, and the dictionary of all tables.

    Raises:
        CommitFailedError: others were first again and again.
        OSError | DeltaError: the store does not answer, or refuses.
    """
    done = publish(store, store.published(), contract)
    _write_dictionary(settings, store)
    return done


def after_build(settings: Settings, store: Store, contract: Contract, dataset: Dataset, columns: list[str]) -> None:
    """Publish a curated dataset, whose columns are these, and the dictionary of all tables.

    Raises:
        CommitFailedError: others were first again and again.
        OSError | DeltaError: the store does not answer, or refuses.
    """
    publish_table(store, store.published(), dataset.folder, personal_of(contract, dataset.header, columns))
    _write_dictionary(settings, store)


def _write_dictionary(settings: Settings, store: Store) -> None:
    declared = [(each, datasets(each, folder)) for each, folder in load_folders(settings.contracts)]
    store_dictionary(store, declared)
