// SPDX-License-Identifier: Apache-2.0
import Bus
import Testing

/// ``BusError`` without the texts, which are each engine's own.
enum BusErrorKind: Equatable {
    case disconnected, timeout, noResponders, invalidSubject, payloadTooLarge, permissionDenied, notCaptured,
        budgetSpent,
        storageFailed, overloaded, slowConsumer, takenOver, notFound, invalidConfiguration, protocolViolation, closed
}

extension BusError {
    var kind: BusErrorKind {
        switch self {
        case .disconnected: .disconnected
        case .timeout: .timeout
        case .noResponders: .noResponders
        case .invalidSubject: .invalidSubject
        case .payloadTooLarge: .payloadTooLarge
        case .permissionDenied: .permissionDenied
        case .notCaptured: .notCaptured
        case .budgetSpent: .budgetSpent
        case .storageFailed: .storageFailed
        case .overloaded: .overloaded
        case .slowConsumer: .slowConsumer
        case .takenOver: .takenOver
        case .notFound: .notFound
        case .invalidConfiguration: .invalidConfiguration
        case .protocolViolation: .protocolViolation
        case .closed: .closed
        }
    }
}

/// Expects a ``BusError`` of a kind.
func expectError(
    _ kind: BusErrorKind, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async {
    do {
        try await body()
        Issue.record("no error, but \(kind) was expected", sourceLocation: sourceLocation)
    } catch let error as BusError {
        #expect(error.kind == kind, sourceLocation: sourceLocation)
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
    }
}
