// SPDX-License-Identifier: Apache-2.0

/// An answer with its whole body.
struct APIResponse: Sendable {
    var status: Int
    /// Names in lower case; of a repeated field the first.
    var headers: [String: String]
    var body: [UInt8]
    /// What was asked for, for messages.
    var path: String

    var isSuccess: Bool { (200..<300).contains(status) }

    var failure: CommandFailure { CommandFailure(status: status, body: body, path: path) }

    /// - Throws: the refusal.
    @discardableResult
    func success() throws(CommandFailure) -> APIResponse {
        guard isSuccess else { throw failure }
        return self
    }

    func json() throws(CommandFailure) -> JSONValue {
        do {
            return try JSONParser.parse(body)
        } catch {
            throw CommandFailure(
                .refused, "the answer to \(path) is \(error)", advice: "is this address Martlet's front door?",
                httpStatus: status)
        }
    }

    /// Whole seconds (RFC 9110 section 10.2.3); its other form, a date, is none that Martlet sends.
    var retryAfterSeconds: Int? { headers["retry-after"].flatMap { Int($0) } }
}
