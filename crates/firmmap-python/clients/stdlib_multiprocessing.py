"""CPython's own tests of `multiprocessing`, for the start method that FIRMMAP_CLIENTS_START_METHOD names.

Not every interpreter was installed with the modules that do this; the tests themselves are in all of them.
"""

import os

from test._test_multiprocessing import install_tests_in_module_dict

install_tests_in_module_dict(globals(), os.environ["FIRMMAP_CLIENTS_START_METHOD"])
