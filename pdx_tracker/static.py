"""Static files under names that tell their content, as a deployment collects them."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStatic(CompressedManifestStaticFilesStorage):
    """Imports between scripts are renamed too: else a tablet would keep one name and ask for another."""

    support_js_module_import_aggregation = True
