"""Encrypt what second factors enrolled before are made of; nothing is to be enrolled again."""

from django.db import migrations

PARTS = ("secret", "seed")
SEALED = "gAAAA"  # how everything that Fernet encrypts begins, and no seed or secret does


def seal(apps, schema_editor) -> None:
    from studies.accounts import SealedFactorsAdapter

    adapter = SealedFactorsAdapter()
    for factor in apps.get_model("mfa", "Authenticator").objects.filter(type__in=["totp", "recovery_codes"]):
        for part in PARTS:
            if not str(factor.data.get(part, SEALED)).startswith(SEALED):
                factor.data[part] = adapter.encrypt(factor.data[part])
        factor.save(update_fields=["data"])


class Migration(migrations.Migration):
    dependencies = [("studies", "0016_later_revisions"), ("mfa", "0003_authenticator_type_uniq")]

    operations = [migrations.RunPython(seal, migrations.RunPython.noop)]
