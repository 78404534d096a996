// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import NIOCore
import TestKit
import Testing

/// Requests, and the operations between services on top of them.
@Suite struct RequestContractTests {
    @Test(arguments: engines) func nobodyListening(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            await #expect(throws: BusError.noResponders) {
                try await within { try await bus.request(BusMessage("rpc.nobody", ""), timeout: .seconds(3600)) }
            }
        }
    }

    @Test(arguments: engines) func nobodyAnswering(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            let silent = try await bus.subscribe("rpc.silent", queueGroup: "g")
            await #expect(throws: BusError.timeout) {
                try await bus.request(BusMessage("rpc.silent", ""), timeout: .milliseconds(100))
            }
            #expect(try await silent.take(1).count == 1)
        }
    }

    @Test(arguments: engines) func aCancelledRequestReturns(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            let silent = try await bus.subscribe("rpc.silent", queueGroup: nil)
            let request = Task { try await bus.request(BusMessage("rpc.silent", ""), timeout: .seconds(3600)) }
            _ = try await silent.take(1)
            request.cancel()
            await #expect(throws: BusError.timeout) { try await within { try await request.value } }
        }
    }

    @Test(arguments: engines) func manyRequestsAtATimeGetTheirOwnAnswers(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let (server, client) = (try await running.connect(), try await running.connect())
            let requests = try await server.subscribe("rpc.echo", queueGroup: "echo")
            let answering = Task {
                for try await batch in requests.batches {
                    // Last come, first served: answers are told apart by more than their order.
                    for message in batch.reversed() {
                        guard let reply = message.reply else { continue }
                        try await server.publish(BusMessage(subject: reply, payload: message.payload))
                    }
                }
            }
            let wrong = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<5000 {
                    group.addTask {
                        let text = "request \(number)"
                        return try await client.request(BusMessage("rpc.echo", text), timeout: .seconds(60)).text
                            != text
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(wrong == 0)
            answering.cancel()
        }
    }

    struct Question: Codable, Sendable { var number: Int }
    struct Reply: Codable, Sendable, Equatable { var double: Int }

    @Test(arguments: engines) func operationsCarryValuesAndErrors(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let (server, client) = (try await running.connect(), try await running.connect())
            let refusal = ServiceError(
                .conflict, reason: "odd", "Odd numbers are taken.", detail: "a secret", retryAfterSeconds: 7)
            let serving = Task {
                try await server.serve(
                    "rpc.test.*", queueGroup: "test", maximumConcurrentRequests: 4, logger: Logger(label: "test")
                ) { (question: Question, context: RPC.Context) -> Reply in
                    if context.subject == "rpc.test.break" { throw CancellationError() }
                    guard question.number.isMultiple(of: 2) else { throw refusal }
                    return Reply(double: question.number * 2)
                }
            }
            try await eventually("it is served") {
                do throws(ServiceError) {
                    _ = try await client.call("rpc.test.double", Question(number: 0), returning: Reply.self)
                    return true
                } catch {
                    #expect(error.reason == "bus-no-responders")
                    return false
                }
            }
            let answers = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let reply: Reply = try await client.call("rpc.test.double", Question(number: number * 2))
                        return reply == Reply(double: number * 4)
                    }
                }
                return try await group.reduce(into: [Bool]()) { $0.append($1) }
            }
            #expect(answers == Array(repeating: true, count: 200))
            await #expect(
                throws: ServiceError(.conflict, reason: "odd", "Odd numbers are taken.", retryAfterSeconds: 7)
            ) { try await client.call("rpc.test.double", Question(number: 1), returning: Reply.self) }
            var kinds: [ServiceError.Kind] = []
            do throws(ServiceError) {
                _ = try await client.call("rpc.test.double", returning: Reply.self)
            } catch { kinds.append(error.kind) }
            do throws(ServiceError) {
                _ = try await client.call("rpc.test.break", Question(number: 2), returning: Reply.self)
            } catch { kinds.append(error.kind) }
            #expect(kinds == [.malformed, .internalFailure])
            serving.cancel()
            try await serving.value
        }
    }
}
