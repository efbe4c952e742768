"""The resources ``Model`` and ``ModelDeployment``: their fields, schemas and conditions."""
