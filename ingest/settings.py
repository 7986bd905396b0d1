"""Every FLOE_* variable, once.

Here: names, defaults, meanings. Not here: what is done with them. Read at the edges (command line,
resources), never inside a function of `transforms`.
"""

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, create_model, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from transforms.options import Options

from .secrecy import hidden
from .value_sets import read_value_sets

# Options that come from a variable as they are; those with a default factory are made from
# something else.
_SITE_OPTIONS = [f for f in fields(Options) if f.default_factory is MISSING]


class _Base(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FLOE_", extra="ignore", hide_input_in_errors=True)

    home: Path = Field(
        Path(".floe"), description="folder of everything that Floe keeps on this machine"
    )
    kafka_bootstrap: str = Field(
        "", description="any other Kafka, host:port; empty = the local broker"
    )
    kafka_security: str = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_ca_file: str = Field("", description="certificate authority for TLS")
    kafka_cert_file: str = Field("", description="client certificate for TLS")
    kafka_key_file: str = Field("", description="client key for TLS")
    kafka_sasl_mechanism: str = Field("", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    kafka_username: str = Field("", description="SASL user")
    kafka_password: str = Field("", description="SASL password", repr=False)
    kafka_retention_days: float = Field(
        30, description="how long events stay in a topic that Floe makes"
    )
    kafka_partitions: int = Field(2, description="partitions of a topic that Floe makes")
    kafka_cluster: str = Field(
        "", description="the id of another Kafka than before, with which this home goes on"
    )
    broker_port: int = Field(9092, description="port of the local broker on 127.0.0.1")
    cache: str = Field(
        "", description="folder of downloads, may be shared by homes; empty = under the home"
    )
    catalog: str = Field(
        "", description="lake catalog: empty = SQLite under the home; postgres:URI"
    )
    data: str = Field(
        "", description="lake files: empty = under the home; s3://BUCKET/PATH/, signed in by AWS_*"
    )
    encrypt: bool = Field(True, description="encrypt the lake's files")
    lake_memory: str = Field(
        "4GB", description="memory that one process may use for lake queries; more spills to disk"
    )
    lake_threads: int = Field(
        0,
        ge=0,
        description="threads of one process's lake queries, 0 = one a core; small queries cost half with 1",
    )
    batch_patients: int = Field(
        500,
        gt=0,
        description="patients (40 sessions or 100 records each) of one batch of a computation: fewer take less memory",
    )
    engine: Literal["local", "ray"] = Field(
        "local",
        description="where floe materialize --full and --compare compute: processes of this machine, or Ray",
    )
    ray_address: str = Field(
        "", description="a Ray cluster, host:port; empty = one on this machine for the run"
    )
    ray_token_file: str = Field(
        "", description="file of the cluster's token; empty = RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
    )
    upkeep_quiet_hours: str = Field(
        "0-5",
        pattern=r"^([01]?\d|2[0-3])-([01]?\d|2[0-4])$",
        description="hours (UTC, from-to) in which upkeep may keep writers waiting for longer than a second",
    )
    health_port: int = Field(
        8060,
        ge=0,
        description="port of floe up's /healthz, /readyz, /metrics and /version on 127.0.0.1; 0 = none",
    )
    ingest_health_port: int = Field(
        0, ge=0, description="the same of an ingest that runs alone; 0 = none"
    )
    ready_watermark_h: float = Field(
        24, gt=0, description="hours after which the newest event is too old to be ready"
    )
    up_silent_s: float = Field(
        60,
        gt=0,
        description="seconds without a sign of life after which floe up starts a part again",
    )
    sql_memory_gb: float = Field(
        2, gt=0, description="memory that one floe sql may use, in GB; more spills to disk"
    )
    sql_spill_gb: float = Field(
        10, ge=0, description="disk under the home that one floe sql may use for a while, in GB"
    )
    sql_time_s: float = Field(
        300, gt=0, description="how long DuckDB may work at one floe sql, in seconds"
    )
    alerts: str = Field(
        "", description="file (TOML) of who is told of alerts, by which way; docs/alerts.md"
    )
    alerts_secret: str = Field(
        "",
        repr=False,
        description="secret by which alerts are named, at least 16 characters; empty = alerts.key under the home",
    )
    arms_secret: str = Field(
        "",
        repr=False,
        description="secret under which arms of studies are sealed, at least 16 characters; empty = arms.key under the home",
    )
    dashboards_port: int = Field(8050, description="port of the dashboards on 127.0.0.1")
    viewer_role: Literal["clinic", "outside"] = Field(
        "clinic",
        description="who looks at the dashboards: clinic (sees all), outside (small cells are suppressed)",
    )
    release_days: float = Field(
        7,
        ge=0,
        description="days between two releases, which is what a reader from outside sees of the summaries",
    )
    models_every_min: float = Field(
        60,
        ge=0,
        description="minutes between two computations of models and charts of everybody (funnels, control charts, "
        "comparisons of arms) while events stream in; what is of a patient or a stratum waits for none; 0 = none waits",
    )
    dagster_port: int = Field(3000, description="port of the Dagster UI on 127.0.0.1")
    dagster_read_only: bool = Field(
        False,
        description="the Dagster UI shows and changes nothing; always so for the viewer role outside",
    )
    ingest_batch_records: int = Field(32_000, description="most records of one landed batch")
    ingest_skip_lost: bool = Field(
        False,
        description="go on where Kafka deleted records before they were read; the ledger shows the loss",
    )
    rejects_whole_mb: float = Field(
        256,
        ge=0,
        description="MB of rejected records of one topic, reason and hour that are kept whole; of further ones position, reason "
        "and checksum, and every 1,000th whole (safety topics: all whole)",
    )
    eq5d_value_sets: str = Field(
        "", description="folder of EQ-5D-5L value sets: COUNTRY.csv of profile and utility"
    )
    ingest_linger_ms: int = Field(1000, description="how long a batch may wait to fill")

    @field_validator("binary_endpoints", check_fields=False)
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        from transforms.rules.binary_endpoints import endpoints

        endpoints(text)
        return text

    def __repr_args__(self):
        """For whoever prints them, a traceback's reader among them: without passwords."""
        for name, value in super().__repr_args__():
            yield name, hidden(value, self) if isinstance(value, str) else value

    @property
    def bootstrap(self) -> str:
        return self.kafka_bootstrap or f"127.0.0.1:{self.broker_port}"

    @property
    def cache_path(self) -> Path:
        if self.cache:
            return Path(self.cache).absolute()
        return self.home.absolute() / "cache"

    @property
    def catalog_uri(self) -> str:
        """What DuckLake attaches, without the `ducklake:` prefix."""
        return self.catalog or f"sqlite:{self.home.absolute() / 'lake' / 'catalog.sqlite'}"

    @property
    def data_path(self) -> str:
        return self.data or f"{self.home.absolute() / 'lake' / 'data'}/"

    @property
    def of_one_thread(self) -> Self:
        """For small questions: DuckDB's threads cost them more than they give."""
        return self.model_copy(update={"lake_threads": 1})

    @property
    def options(self) -> Options:
        value_sets = read_value_sets(self.eq5d_value_sets)
        return Options(
            **{f.name: getattr(self, f.name) for f in _SITE_OPTIONS}, eq5d_value_sets=value_sets
        )


# Each of a site's options is a setting too: FLOE_<NAME>.
Settings = create_model(
    "Settings",
    __base__=_Base,
    **{f.name: (f.type, Field(f.default, description=f.metadata["doc"])) for f in _SITE_OPTIONS},
)
