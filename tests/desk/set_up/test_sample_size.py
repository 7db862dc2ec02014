import pytest

from studies.analysis.power import mice_per_arm, slope_effect
from studies.desk.set_up.sample_size import SampleSizeForm, needs
from studies.models import Study
from studies.terms import ArmRole, Role, StudyState
from tests.factories import make_arm
from tests.people import join, make_user

pytestmark = pytest.mark.django_db
TOLD = {"tgi_percent": 60, "power_percent": 80, "alpha": 0.05, "dropout_percent": 0, "mouse_slope_sd": 0.02,
        "residual_sd": 0.15}  # fmt: skip


@pytest.fixture
def draft(study):
    Study.objects.filter(pk=study.pk).update(state=StudyState.DRAFT, schedule_days=[0, 3, 7, 10, 14, 17, 21])
    make_arm(study)
    for name in ("binimetinib", "HRX-0233"):
        make_arm(study, name, ArmRole.SINGLE_AGENT)
    make_arm(study, "both", ArmRole.COMBINATION)
    return Study.objects.get(pk=study.pk)


def test_the_panel_says_what_the_analysis_says_for_these_arms_and_days(draft):
    first, bliss, *biomarker = needs(draft, TOLD)
    size = mice_per_arm(slope_effect(60, 21), days=[0, 3, 7, 10, 14, 17, 21], treated_arms=3)
    assert (first.n, first.mice) == (size.n, size.mice)
    assert bliss.n > first.n and [need.n for need in biomarker] == sorted(
        (need.n for need in biomarker), reverse=True
    )


def test_the_page_shows_it_and_refuses_nonsense(client, draft):
    client.force_login(join(make_user("head"), draft, Role.STUDY_DIRECTOR))
    address = f"/studies/{draft.code}/setup/plan/"
    assert "Mice in all" in client.get(address, TOLD).content.decode()
    told = client.get(address, {**TOLD, "tgi_percent": 100}).content.decode()
    assert "Mice in all" not in told and "less than or equal to 99" in told
    assert SampleSizeForm(TOLD).is_valid()
