"""The documentation site: its pages are here, and the notebooks one folder up.

Build it from the top of the repository, without any network:

    sphinx-build -W --keep-going -b html -c notebooks/documentation notebooks site
"""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "argdask"
author = "The argdask developers"
copyright = author  # noqa: A001 - the name that Sphinx reads
release = version = version_of("argdask")

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "site_equations",
    "site_listings",
]
root_doc = "documentation/index"
exclude_patterns = ["**.ipynb_checkpoints", "images"]

# The notebooks carry their output; tests run them.
nb_execution_mode = "off"
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_type_aliases = {"ArrayLike": "ArrayLike", "npt.ArrayLike": "ArrayLike"}
autodoc_typehints_format = "short"
autosummary_generate = False
default_role = "py:obj"
smartquotes = False  # it would make one dash of the two before an option
numpydoc_show_class_members = False
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"argdask {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["top"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
