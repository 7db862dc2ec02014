"""No table changes: the triggers laid afterwards tell what a row was before, and rows are sealed over columns new to it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("studies", "0018_first_passwords"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ]

    operations = []
