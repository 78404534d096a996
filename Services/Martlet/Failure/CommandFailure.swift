// SPDX-License-Identifier: Apache-2.0

/// Why a command did not do what it was asked, in words for who sits before it.
struct CommandFailure: Error, Equatable {
    var status: ExitStatus
    /// What happened.
    var message: String
    /// What to do about it; nil where nothing useful can be said.
    var advice: String?
    /// The problem's reason (RFC 9457 `type`), for scripts.
    var reason: String?
    /// The HTTP status, where a server answered.
    var httpStatus: Int?

    init(
        _ status: ExitStatus, _ message: String, advice: String? = nil, reason: String? = nil, httpStatus: Int? = nil
    ) {
        self.status = status
        self.message = message
        self.advice = advice
        self.reason = reason
        self.httpStatus = httpStatus
    }

    static func usage(_ message: String, advice: String? = nil) -> CommandFailure {
        CommandFailure(.usage, message, advice: advice, reason: "usage")
    }

    /// One document, for `--json`.
    var json: JSONValue {
        .document([
            (
                "error",
                .document([
                    ("exit", .integer(status.rawValue)), ("status", httpStatus.map { .integer($0) }),
                    ("reason", reason.map(JSONValue.string)), ("detail", .string(message)),
                    ("advice", advice.map(JSONValue.string)),
                ])
            )
        ])
    }
}
