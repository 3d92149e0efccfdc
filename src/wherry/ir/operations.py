"""The images by which documents name operations that no container does.

Read by the driver, which does them, and by whoever explains a pipeline.
"""

from __future__ import annotations

CREATE_PVC, DELETE_PVC = "argostub/createpvc", "argostub/deletepvc"
PVC_OPERATIONS = (CREATE_PVC, DELETE_PVC)
