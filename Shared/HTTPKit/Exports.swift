// SPDX-License-Identifier: Apache-2.0

// Routes are written in Hummingbird's terms (Request, Response, HTTPResponse.Status); whoever imports HTTPKit has them.
@_exported import Hummingbird
