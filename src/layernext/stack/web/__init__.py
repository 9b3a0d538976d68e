"""The pages: what people see of a stack in a browser.

Each page is a template with a struct for what goes in; its module, a script of the browser, then asks
the native API for the data. Nothing here comes from another machine, and nothing is built.
"""

from layernext.stack.web.api_docs import show_docs
from layernext.stack.web.page import answer_any_error
from layernext.stack.web.routes import ROUTES

__all__ = ["ROUTES", "answer_any_error", "show_docs"]
