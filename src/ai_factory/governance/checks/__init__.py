"""The checks of controls, by id: each looks at a project's files and tells what is missing, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping

from ai_factory.governance.checking import Check
from ai_factory.governance.checks import data, dossier, governing, models, operating, trail
from ai_factory.governance.checks.dossier import both, of

CHECKS: Mapping[str, Check] = {
    "GOV-01": both(governing.registered, of("GOV-01", "system-card"), dossier.words),
    "GOV-02": governing.screened,
    "GOV-03": governing.applicability_recorded,
    "GOV-04": both(governing.risks_owned, of("GOV-04", "risk-register")),
    "GOV-05": of("GOV-05", "impact-assessment"),
    "GOV-07": of("GOV-07", "literacy-list"),
    "GOV-08": governing.undrifted,
    "GOV-09": governing.waivers_sound,
    "DATA-01": both(data.contracts, of("DATA-01", "datasheet")),
    "DATA-02": data.quality,
    "DATA-03": data.lineage,
    "DATA-04": data.rights,
    "DATA-05": data.features,
    "DATA-06": data.minimised,
    "MOD-01": both(models.documented, of("MOD-01", "technical-file", "EUAIA-11")),
    "MOD-02": models.bill_of_materials,
    "MOD-03": models.thresholds_met,
    "MOD-04": models.fair,
    "MOD-05": models.reasons,
    "MOD-06": both(of("MOD-06", "validation-report"), dossier.findings_closed),
    "MOD-07": both(models.third_party, of("MOD-07", "supplier-file")),
    "MOD-08": models.attacked,
    "MOD-09": of("MOD-09", "change-record"),
    "SEC-01": operating.pinned,
    "SEC-02": both(dossier.threats, of("SEC-02", "threat-model")),
    "SEC-03": operating.granted,
    "HUM-01": both(operating.overseen, of("HUM-01", "oversight-plan")),
    "HUM-02": operating.stoppable,
    "TRA-01": both(dossier.told, of("TRA-01", "notices")),
    "TRA-02": operating.noticed,
    "TRA-03": of("TRA-03", "instructions-for-use"),
    "AUD-03": both(trail.retained, of("AUD-03", "retention-schedule")),
    "AUD-04": trail.fails_closed,
    "AUD-05": trail.identifiers_hidden,
    "MON-01": both(operating.monitored, of("MON-01", "monitoring-plan")),
    "INC-01": both(operating.clocked, of("INC-01", "incident-plan")),
    "INC-02": operating.mapped,
    "RES-01": both(operating.retired, of("RES-01", "decommission-plan")),
}

# What has to be done before people meet the system; until then it is told, and stands in no way.
IN_USE: Mapping[str, Check] = {
    "GOV-05": dossier.own_words,
    "GOV-07": governing.literate,
    "TRA-02": operating.reviewed,
}
