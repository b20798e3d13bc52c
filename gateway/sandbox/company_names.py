"""Words that the example company is made of."""

TEAMS = (
    "platform", "payments", "search", "mobile", "data", "security", "web", "infrastructure", "growth", "support",
    "content", "billing",
)  # fmt: skip

FIRST_NAMES = (
    "Ada", "Adam", "Anna", "Barbora", "Bruno", "Chiara", "Claire", "Daniel", "David", "Elena", "Emil", "Eva", "Felix",
    "František", "Greta", "Hana", "Ines", "Ivan", "Jana", "Jiří", "Jonas", "Julia", "Karel", "Klára", "Lars", "Lea",
    "Lukáš", "Maria", "Marek", "Max", "Mia", "Nina", "Noah", "Olga", "Omar", "Pavel", "Petra", "Priya", "Radek", "Rosa",
    "Samuel", "Sofia", "Tereza", "Tomáš", "Uma", "Věra", "Viktor", "Wei", "Yusuf", "Žaneta",
)  # fmt: skip

LAST_NAMES = (
    "Andersson", "Bauer", "Becker", "Beneš", "Brown", "Černý", "Chen", "Cruz", "Dvořák", "Evans", "Fischer", "Garcia",
    "Haddad", "Hájek", "Hoffmann", "Horák", "Ivanova", "Jensen", "Jones", "Kim", "Klein", "Kovář", "Krause", "Kučera",
    "Larsen", "Lindqvist", "Marek", "Meyer", "Moreau", "Müller", "Nguyen", "Novák", "O'Brien", "Okafor", "Patel",
    "Pokorný", "Richter", "Rossi", "Schäfer", "Silva", "Singh", "Smith", "Svoboda", "Tanaka", "Urban", "Veselý",
    "Wagner", "Weber", "Zeman", "Zimmermann",
)  # fmt: skip

REPO_SUBJECTS = (
    "account", "audit", "billing", "cart", "catalog", "checkout", "customer", "deploy", "email", "feature", "fraud",
    "gateway", "identity", "image", "inventory", "invoice", "ledger", "login", "metrics", "notification", "order",
    "payment", "pricing", "profile", "queue", "recommendation", "report", "review", "search", "session", "shipping",
    "stock", "tax", "translation", "webhook",
)  # fmt: skip

REPO_KINDS = ("api", "service", "worker", "ui", "sdk", "schema", "infra", "docs", "tools", "jobs")

LANGUAGES = ("TypeScript", "Python", "Go", "Kotlin", "Rust", "Terraform", "Shell")

PACKAGES = (
    "aiohttp", "axios", "bcrypt", "boto3", "chalk", "click", "cors", "cryptography", "debug", "django", "dotenv",
    "express", "fastapi", "flask", "grpc", "helmet", "jinja2", "jsonwebtoken", "kafkajs", "lodash", "luxon", "minimist",
    "moment", "next", "numpy", "openssl", "pandas", "passport", "pg", "pillow", "prisma", "protobuf", "pydantic",
    "pyyaml", "react", "redis", "requests", "rxjs", "semver", "sharp", "sqlalchemy", "tar", "typescript", "undici",
    "urllib3", "uuid", "vite", "webpack", "ws", "yargs",
)  # fmt: skip

APPLICATIONS = (
    "AWS", "GitHub", "Jira", "Confluence", "Slack", "Zoom", "Figma", "Notion", "Salesforce", "Workday", "Datadog",
    "PagerDuty", "Snyk", "Jamf", "1Password", "Miro", "Zendesk", "HubSpot", "Looker", "Sentry", "Statuspage",
    "DocuSign", "Grammarly", "Lucidchart",
)  # fmt: skip

ISSUE_VERBS = ("Fix", "Investigate", "Upgrade", "Remove", "Document", "Rotate", "Rename", "Speed up", "Add tests for")

ARTICLES = {
    "cs": ("Jak začít", "Cesta objednávky", "Vrácení zboží", "Doprava zdarma", "Novinky měsíce", "Časté dotazy"),
    "en": ("Getting started", "The way of an order", "Returns", "Free shipping", "News of the month", "Questions"),
    "de": ("Erste Schritte", "Der Weg einer Bestellung", "Rückgabe", "Kostenloser Versand", "Neuigkeiten", "Fragen"),
}
"""Titles by language."""

REGIONS = {"eu-central-1": 5, "eu-west-1": 2, "us-east-1": 3}
"""Cloud regions and how often they are used."""
