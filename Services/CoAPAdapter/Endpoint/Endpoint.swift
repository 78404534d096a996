// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging

/// CoAP's sockets and the library behind them, on a thread of their own.
final class Endpoint: Sendable {
    let inbox: EndpointInbox
    private let ends: AsyncStream<Void>

    /// Listens at once, and serves until ``stop()``.
    ///
    /// - Parameter makeHandler: called on the endpoint's thread, before the first request.
    /// - Throws: when a listener cannot be opened.
    init(
        _ configuration: EndpointConfiguration, logger: Logger,
        makeHandler: @escaping @Sendable (EndpointLoop) -> any EndpointHandler
    ) async throws {
        let inbox = try EndpointInbox()
        self.inbox = inbox
        let (ends, ended) = AsyncStream<Void>.makeStream()
        self.ends = ends
        let problem: EndpointError? = await withCheckedContinuation { continuation in
            let thread = Thread {
                inbox.bindToCurrentThread()
                do throws(EndpointError) {
                    let loop = try EndpointLoop(configuration, inbox: inbox, logger: logger)
                    loop.handler = makeHandler(loop)
                    continuation.resume(returning: nil)
                    loop.run()
                    for job in inbox.close() { job() }
                    loop.close()
                    // The two know each other.
                    loop.handler = nil
                } catch {
                    _ = inbox.close()
                    continuation.resume(returning: error)
                }
                ended.finish()
            }
            thread.name = "coap"
            thread.start()
        }
        if let problem { throw problem }
    }

    /// Ends the thread and waits for it.
    func stop() async {
        inbox.stop()
        // In a task of its own, because a cancelled one does not wait.
        await Task { [ends] in for await _ in ends {} }.value
    }
}
