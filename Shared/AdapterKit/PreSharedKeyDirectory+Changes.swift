// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore
import Synchronization

extension PreSharedKeyDirectory {
    func hearChanges() async {
        var backOff = BackOff()
        while !Task.isCancelled {
            do {
                let subscription = try await bus.subscribe(Subjects.thingsEvents, queueGroup: nil)
                backOff.reset()
                // What changed while nothing was heard is not known.
                change { $0.listen(true) }
                logger.debug("hearing changes of pre-shared keys")
                for try await batch in subscription.batches {
                    let changes = batch.map(Self.change(of:)).filter { $0 != .nothing }
                    if !changes.isEmpty {
                        change { memory in for change in changes { memory.apply(change) } }
                    }
                }
                await subscription.cancel()
            } catch {
                logger.warning("changes of pre-shared keys are not heard", metadata: ["error": "\(error)"])
            }
            change { $0.listen(false) }
            try? await Task.sleep(for: backOff.next())
        }
    }

    func watchConnection() async {
        for await event in bus.connectionEvents() where event == .connected {
            change { $0.apply(.everything) }
        }
    }

    /// An event that cannot be read may mean anything.
    private static func change(of message: BusMessage) -> PreSharedKeyChange {
        guard
            let event = try? JSONDecoder().decode(EntityEvent.self, from: Data(message.payload.readableBytesView))
        else { return .everything }
        return PreSharedKeyChange(event: event)
    }
}

// Loading and asking, one job after the other.
extension PreSharedKeyDirectory {
    func work() async {
        var backOff = BackOff(base: .milliseconds(100), ceiling: .seconds(2))
        for await _ in wakes {
            while !Task.isCancelled, let job = memory.withLock({ $0.nextJob() }) {
                do throws(ServiceError) {
                    switch job {
                    case .load(let generation): try await load(generation)
                    case .ask(let questions, let epoch): try await ask(questions, epoch)
                    }
                    backOff.reset()
                } catch {
                    logger.warning(
                        "pre-shared keys cannot be asked for",
                        metadata: ["reason": "\(error.reason)", "detail": "\(error.detail ?? error.message)"])
                    try? await Task.sleep(for: backOff.next())
                }
            }
        }
    }

    private func load(_ generation: UInt64) async throws(ServiceError) {
        var after: ThingID?
        var progress = PreSharedKeyMemory.Progress.goesOn
        repeat {
            let page: PreSharedKeysResponse
            do throws(ServiceError) {
                page = try await things.preSharedKeys(after: after)
                // Else it would go on for ever.
                if let next = page.next, let after, next <= after {
                    throw ServiceError(
                        .internalFailure, reason: "psk-order", "The pre-shared keys do not come in order.")
                }
            } catch {
                memory.withLock { $0.failLoad(generation) }
                throw error
            }
            let keys = page.keys.compactMap(readable)
            progress = memory.withLock { $0.take(keys, of: generation) }
            after = page.next
        } while after != nil && progress == .goesOn
        let count = memory.withLock { memory in
            memory.finishLoad(generation)
            return memory.table.count
        }
        switch progress {
        case .isAbandoned: return
        case .isFull:
            logger.warning(
                "there are more pre-shared keys than are kept: the others are asked for when a device comes",
                metadata: ["count": "\(count)"])
        case .goesOn: logger.debug("pre-shared keys are loaded", metadata: ["count": "\(count)"])
        }
    }

    private func ask(_ asked: [PreSharedKeyQuestion], _ epoch: UInt64) async throws(ServiceError) {
        let failure = await withTaskGroup(of: ServiceError?.self) { group in
            for question in asked {
                group.addTask {
                    do throws(ServiceError) {
                        let record = try await self.answer(to: question)
                        self.memory.withLock { $0.take(record.flatMap(self.readable), to: question, epoch: epoch) }
                        return nil
                    } catch {
                        self.memory.withLock { $0.failAsking(question) }
                        return error
                    }
                }
            }
            return await group.reduce(nil) { $0 ?? $1 }
        }
        memory.withLock { $0.finishAsking() }
        if let failure { throw failure }
    }

    /// nil: there is none.
    private func answer(to question: PreSharedKeyQuestion) async throws(ServiceError) -> PreSharedKeyRecord? {
        switch question {
        case .thing(let thing): return try await things.preSharedKey(PreSharedKeyLookupRequest(thing: thing))
        case .identity(let bytes):
            // No key has an identity that is not UTF-8.
            guard let identity = String(validating: bytes, as: UTF8.self) else { return nil }
            return try await things.preSharedKey(PreSharedKeyLookupRequest(identity: identity))
        }
    }

    private func readable(_ record: PreSharedKeyRecord) -> (identity: [UInt8], key: PreSharedKey)? {
        let identity = Array(record.identity.utf8)
        guard Self.identityBytes.contains(identity.count), let key = PreSharedKey(record) else {
            logger.warning("a pre-shared key cannot be read", metadata: ["thing": "\(record.thing)"])
            return nil
        }
        return (identity, key)
    }
}
