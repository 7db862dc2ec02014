"""The desk: home and study pages for directors and statisticians."""

from django.urls import include, path

from studies.desk import (
    alerts,
    balance,
    blinding,
    enrollment,
    healthz,
    home,
    operators,
    paper,
    parked,
    portfolio,
    randomize,
    report_list,
    report_page,
    study_list,
    study_page,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("healthz", healthz.healthz, name="healthz"),
    path("portfolio/", portfolio.portfolio, name="portfolio"),
    path("studies/", study_list.study_list, name="study_list"),
    path("", include("studies.desk.registry.urls")),
    path("", include("studies.desk.set_up.urls")),
    # A code taken from an imported file may hold a slash, hence `path`; the longer pattern goes first.
    path("studies/<path:code>/blinding/", blinding.blinding, name="study_blinding"),
    path("studies/<path:code>/blinding/reveal/", blinding.reveal, name="study_reveal"),
    path("notices/<int:reveal>/read/", blinding.notice_read, name="notice_read"),
    path("studies/<path:code>/curves.json", study_page.curves, name="study_curves"),
    path("studies/<path:code>/operators.json", operators.operators, name="study_operators"),
    path("studies/<path:code>/enrollment/", enrollment.enrollment, name="enrollment"),
    path("studies/<path:code>/randomize/", randomize.randomize, name="randomize"),
    path("studies/<path:code>/cage-cards.pdf", paper.cage_cards, name="cage_cards"),
    path("studies/<path:code>/mouse-labels.pdf", paper.mouse_labels, name="mouse_labels"),
    path("studies/<path:code>/dose-sheet/", paper.dose_sheet, name="dose_sheet"),
    path("studies/<path:code>/sealed-list/", paper.sealed_list, name="sealed_list"),
    path("studies/<path:code>/parked/", parked.parked_rows, name="parked_rows"),
    path("studies/<path:code>/alerts/", alerts.alerts, name="alerts"),
    path("studies/<path:code>/balance/", balance.balance_report, name="balance"),
    path("studies/<path:code>/reports/", report_list.report_list, name="report_list"),
    path("studies/<path:code>/reports/jobs.json", report_list.report_jobs, name="report_jobs"),
    path(
        "studies/<path:code>/reports/jobs/<int:job>/cancel/",
        report_list.report_job_cancel,
        name="report_job_cancel",
    ),
    path("studies/<path:code>/reports/compare/", report_page.report_comparison, name="report_comparison"),
    path("studies/<path:code>/reports/<int:report>/", report_page.stored_report, name="stored_report"),
    path(
        "studies/<path:code>/reports/<int:report>/files/<path:name>",
        report_page.report_file,
        name="report_file",
    ),
    path("studies/<path:code>/", study_page.study_page, name="study_page"),
]
