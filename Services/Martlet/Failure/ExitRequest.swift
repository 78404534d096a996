// SPDX-License-Identifier: Apache-2.0

/// Ends the program with a status, when everything has been said already.
struct ExitRequest: Error {
    var status: ExitStatus
}
