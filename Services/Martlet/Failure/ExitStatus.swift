// SPDX-License-Identifier: Apache-2.0

/// What the program's exit code says. Part of its interface: scripts rely on these.
enum ExitStatus: Int32, CaseIterable, Sendable {
    case done = 0
    /// The server understood and said no, or what was asked for is not so (a service is down, a comparison failed).
    case refused = 1
    /// The command line is wrong, or a file that it names cannot be used.
    case usage = 2
    /// Nobody is logged in, the session has ended, or the key is not known.
    case notAuthenticated = 3
    /// No answer from the server, or it said that it cannot now; trying again helps.
    case unreachable = 4
    /// Some of several things were done.
    case partial = 5
    /// Ctrl-C (128 + SIGINT).
    case interrupted = 130

    var meaning: String {
        switch self {
        case .done: "done"
        case .refused: "refused by the server, or what was checked is not so"
        case .usage: "the command line, or a file that it names, is wrong"
        case .notAuthenticated: "not logged in, the session has ended, or the key is unknown"
        case .unreachable: "no answer, or the server cannot now: trying again helps"
        case .partial: "some were done, some were not"
        case .interrupted: "interrupted"
        }
    }
}
