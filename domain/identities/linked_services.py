"""The services that have service-linked roles, and the name, path and trust policy of each role.

Source: IAM user guide, using-service-linked-roles; for the names of roles, the guides of the services.
"""

from __future__ import annotations

import json

SERVICE_LINKED = "/aws-service-role/"
"""The beginning of the path of every service-linked role."""
NAMES = {
    "access-analyzer.amazonaws.com": "AWSServiceRoleForAccessAnalyzer",
    "autoscaling.amazonaws.com": "AWSServiceRoleForAutoScaling",
    "cks.kms.amazonaws.com": "AWSServiceRoleForKeyManagementServiceCustomKeyStores",
    "cloudtrail.amazonaws.com": "AWSServiceRoleForCloudTrail",
    "config.amazonaws.com": "AWSServiceRoleForConfig",
    "ecs.amazonaws.com": "AWSServiceRoleForECS",
    "eks.amazonaws.com": "AWSServiceRoleForAmazonEKS",
    "elasticache.amazonaws.com": "AWSServiceRoleForElastiCache",
    "elasticbeanstalk.amazonaws.com": "AWSServiceRoleForElasticBeanstalk",
    "elasticloadbalancing.amazonaws.com": "AWSServiceRoleForElasticLoadBalancing",
    "es.amazonaws.com": "AWSServiceRoleForAmazonElasticsearchService",
    "guardduty.amazonaws.com": "AWSServiceRoleForAmazonGuardDuty",
    "kafka.amazonaws.com": "AWSServiceRoleForKafka",
    "lex.amazonaws.com": "AWSServiceRoleForLexBots",
    "mrk.kms.amazonaws.com": "AWSServiceRoleForKeyManagementServiceMultiRegionKeys",
    "opensearchservice.amazonaws.com": "AWSServiceRoleForAmazonOpenSearchService",
    "organizations.amazonaws.com": "AWSServiceRoleForOrganizations",
    "rds.amazonaws.com": "AWSServiceRoleForRDS",
    "redshift.amazonaws.com": "AWSServiceRoleForRedshift",
    "spot.amazonaws.com": "AWSServiceRoleForEC2Spot",
    "spotfleet.amazonaws.com": "AWSServiceRoleForEC2SpotFleet",
    "support.amazonaws.com": "AWSServiceRoleForSupport",
}
"""The role of each service (its principal). A service that is not here is refused: its role's name would be a guess."""
WITH_SUFFIX = frozenset({"autoscaling.amazonaws.com"})
"""Services that have several roles; a suffix tells these apart."""
_SERVICES = {name: service for service, name in NAMES.items()}


def name_of(service: str, suffix: str) -> str:
    base = NAMES.get(service, "AWSServiceRoleFor")
    return f"{base}_{suffix}" if suffix else base


def path_of(service: str) -> str:
    return f"{SERVICE_LINKED}{service}/"


def trust_of(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": [service]}, "Action": ["sts:AssumeRole"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


def service_of(name: str) -> str:
    """The service whose role has this name; "" if there is no such role."""
    base, _, suffix = name.partition("_")
    service = _SERVICES.get(base, "")
    return service if service and name == name_of(service, suffix) and (not suffix or service in WITH_SUFFIX) else ""


def as_made(path: str, name: str, trust: str) -> bool:
    """Whether a role with these values is as CreateServiceLinkedRole makes it. The path is not enough: earlier versions
    let CreateRole make roles there, with any name and any trust policy."""
    service = service_of(name)
    return bool(service) and path == path_of(service) and trust == trust_of(service)
