// SPDX-License-Identifier: Apache-2.0
import CMosquitto
import Foundation
import Logging

/// A client of a remote broker: libmosquitto on a thread of its own, which alone touches the library's handle.
///
/// Other threads reach it by its inbox; what it tells, it tells its delegate on its own thread. The handle is made and freed by that thread, so a
/// callback never meets what is gone.
final class RemoteClient: Sendable {
    /// The library as such, once in the process and before any other call.
    private static let library: Void = { _ = mosquitto_lib_init() }()

    private let options: ClientOptions
    private let delegate: any RemoteClientDelegate
    private let logger: Logger
    private let inbox: ClientInbox
    private let ends: AsyncStream<Void>
    private let ended: AsyncStream<Void>.Continuation

    init(
        _ options: ClientOptions, inbox: ClientInbox, delegate: any RemoteClientDelegate, logger: Logger
    ) {
        self.options = options
        self.inbox = inbox
        self.delegate = delegate
        self.logger = logger
        (ends, ended) = AsyncStream.makeStream()
        Self.library
    }

    /// Begins to connect, and goes on doing so until ``stop()``. Call once.
    func start() {
        let (options, inbox, delegate, logger, ended) = (options, inbox, delegate, logger, ended)
        let thread = Thread {
            ClientLoop(options, inbox: inbox, delegate: delegate, logger: logger).run()
            ended.finish()
        }
        thread.name = "mqtt-\(options.purpose.rawValue)"
        thread.start()
    }

    /// Takes leave of the remote and waits until the thread has ended, at most `limit`: it may be in the middle of a connect that nobody answers, which the
    /// kernel ends; until then it holds what it needs.
    func stop(limit: Duration = .seconds(5)) async {
        inbox.stop()
        // In a task of its own, because a cancelled one does not wait.
        await Task { [ends] in
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in ends {} }
                group.addTask { try? await Task.sleep(for: limit) }
                await group.next()
                group.cancelAll()
            }
        }.value
    }
}
