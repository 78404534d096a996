// SPDX-License-Identifier: Apache-2.0
import Core

/// A channel's messages as they come (`GET /channels/{id}/messages[/filter]` as `text/event-stream`), over as many connections as it takes.
///
/// An event's identifier is the message's number in the bus's stream. A connection that breaks is replaced, and the next one goes on behind the
/// last number: nothing is missed and nothing comes twice.
struct LiveStream: Sendable {
    enum Item: Equatable, Sendable {
        /// A message, as `Services/HTTPAdapter/README.md` describes its document.
        case message(JSONValue, sequence: String)
        /// Messages between two numbers are not kept any more.
        case gap(JSONValue)
        /// The connection is gone; another is tried after a pause.
        case interrupted(CommandFailure)
    }

    let client: APIClient
    let path: String
    /// Asked for each connection, because a token does not last.
    let authorization: @Sendable () async throws -> String

    /// Hands on what comes, until `body` says that it is enough.
    ///
    /// - Parameters:
    ///   - after: the number behind which to begin; nil: with what comes from now on.
    ///   - body: returns false when it wants no more.
    /// - Throws: ``CommandFailure`` where the server refuses for good, `CancellationError`.
    func run(after: String?, _ body: (Item) async throws -> Bool) async throws {
        var parser = ServerSentEventParser(lastIdentifier: after ?? "")
        var backOff = BackOff(base: .milliseconds(500), ceiling: .seconds(10))
        while true {
            // Only the last number and the pause go over to the next connection.
            let retry = parser.retryMilliseconds
            parser = ServerSentEventParser(lastIdentifier: parser.lastIdentifier)
            do {
                guard try await connection(&parser, &backOff, body) else { return }
            } catch let failure as CommandFailure where failure.status == .unreachable {
                guard try await body(.interrupted(failure)) else { return }
            }
            let pause = Duration.milliseconds(parser.retryMilliseconds ?? retry ?? 0)
            try await Task.sleep(for: max(backOff.next(), min(pause, .seconds(30))))
        }
    }

    /// - Returns: false when `body` has had enough; true when the connection ended.
    private func connection(
        _ parser: inout ServerSentEventParser, _ backOff: inout BackOff, _ body: (Item) async throws -> Bool
    ) async throws -> Bool {
        var request = APIRequest(.get, path)
        request.headers = [
            ("Accept", "text/event-stream"), ("Cache-Control", "no-store"),
            ("Authorization", try await authorization()),
        ]
        if !parser.lastIdentifier.isEmpty { request.headers.append(("Last-Event-ID", parser.lastIdentifier)) }
        let other: APIResponse?
        do {
            other = try await client.stream(request, contentType: "text/event-stream") { bytes in
                for event in try parser.parse(bytes) {
                    backOff.reset()
                    guard try await body(Self.item(event)) else { return false }
                }
                return true
            }
        } catch is ServerSentEventParser.TooLong {
            throw CommandFailure(.refused, "an event is larger than \(ServerSentEventParser.maximumBytes) bytes")
        }
        guard let other else { return false }
        throw try CommandFailure(
            .refused,
            "this server does not stream messages: it answered \(other.success().path) with another content type",
            advice: "martlet read --follow shows what is stored, as it comes", reason: "no-event-stream")
    }

    /// - Throws: the refusal, where the event says that the server ends the stream.
    private static func item(_ event: ServerSentEvent) throws -> Item {
        let document: JSONValue
        do {
            document = try JSONParser.parse(event.data)
        } catch {
            throw CommandFailure(.refused, "event \(event.lastIdentifier) is \(error)")
        }
        switch document["type"]?.text ?? event.name {
        case "gap": return .gap(document)
        case "end":
            let end = CommandFailure(
                status: document["status"]?.integer ?? 503, body: Array(event.data.utf8), path: "the stream")
            guard end.status == .notAuthenticated else { throw end }
            // A token that has run its time ends the stream as a revoked one does: the next connection tells which it was.
            throw CommandFailure(.unreachable, end.message, reason: end.reason, httpStatus: end.httpStatus)
        default: return .message(document, sequence: event.lastIdentifier)
        }
    }
}
