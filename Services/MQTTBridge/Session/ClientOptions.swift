// SPDX-License-Identifier: Apache-2.0

/// How one client of a remote broker connects.
struct ClientOptions: Sendable {
    enum Purpose: String, Sendable {
        /// Its session stays at the remote, so that what comes meanwhile waits there.
        case reading = "in"
        /// Its session outlives connections but not the process: the packet identifiers of an earlier process mean nothing to this one, and a broker that
        /// remembers them would take a new message for an old one. So an earlier session is ended first.
        case sending = "out"
    }

    var remote: Remote
    var purpose: Purpose

    var clientID: String { "\(remote.clientID)-\(purpose.rawValue)" }
}
