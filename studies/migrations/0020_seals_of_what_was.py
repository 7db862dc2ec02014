"""No table changes: the triggers laid afterwards tell what a row was before, and rows are sealed over columns new to it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("studies", "0019_labels_of_fields"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ]

    operations = []
