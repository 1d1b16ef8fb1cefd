"""What is read first: the environment and `.env`, and which kind of installation this is."""

from pathlib import Path

from omixa_billing.environment import DEVELOPMENT, Environment, environment_fault

BASE_DIR = Path(__file__).resolve().parents[2]

env = Environment()
Environment.read_env(BASE_DIR / ".env")

OMIXA_ENV = env.str("OMIXA_ENV", default=DEVELOPMENT)
env.faults += environment_fault(OMIXA_ENV)
PRODUCTION = OMIXA_ENV == "production"
DEBUG = env.bool("DEBUG", default=False)
