// SPDX-License-Identifier: Apache-2.0

// A service's composition root returns `[any Service]` and logs; it need not know which packages these come from.
@_exported import Logging
@_exported import ServiceLifecycle
