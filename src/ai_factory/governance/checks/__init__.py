"""The checks of controls, by id: each looks at a project's files and tells what is missing, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping

from ai_factory.governance.checking import Check
from ai_factory.governance.checks import data, governing, models, operating, trail

CHECKS: Mapping[str, Check] = {
    "GOV-01": governing.registered,
    "GOV-02": governing.screened,
    "GOV-03": governing.applicability_recorded,
    "GOV-04": governing.risks_owned,
    "GOV-07": governing.literate,
    "GOV-08": governing.undrifted,
    "GOV-09": governing.waivers_sound,
    "DATA-01": data.contracts,
    "DATA-02": data.quality,
    "DATA-03": data.lineage,
    "DATA-04": data.rights,
    "DATA-05": data.features,
    "MOD-01": models.documented,
    "MOD-02": models.bill_of_materials,
    "MOD-03": models.thresholds_met,
    "MOD-04": models.fair,
    "MOD-05": models.reasons,
    "MOD-07": models.third_party,
    "MOD-08": models.attacked,
    "SEC-01": operating.pinned,
    "SEC-03": operating.granted,
    "HUM-01": operating.overseen,
    "HUM-02": operating.stoppable,
    "TRA-02": operating.noticed,
    "AUD-03": trail.retained,
    "AUD-04": trail.fails_closed,
    "AUD-05": trail.identifiers_hidden,
    "MON-01": operating.monitored,
    "INC-01": operating.clocked,
    "INC-02": operating.mapped,
    "RES-01": operating.retired,
}
