// SPDX-License-Identifier: Apache-2.0

/// Return codes of CONNACK in MQTT 3.1.1 (section 3.2.2.3).
package enum ConnectReturnCode: UInt8, Sendable, CaseIterable {
    case accepted = 0
    case unacceptableProtocolVersion = 1
    case identifierRejected = 2
    case serverUnavailable = 3
    case badUserNameOrPassword = 4
    case notAuthorized = 5

    /// What MQTT 3.1.1 has for a reason of MQTT 5.
    ///
    /// - Returns: nil where it has nothing: the connection is then closed without a CONNACK ([MQTT-3.2.2-6] of 3.1.1).
    package init?(_ reason: ReasonCode) {
        switch reason {
        case .success: self = .accepted
        case .unsupportedProtocolVersion: self = .unacceptableProtocolVersion
        case .clientIdentifierNotValid: self = .identifierRejected
        case .serverUnavailable, .serverBusy, .serverShuttingDown, .quotaExceeded, .connectionRateExceeded,
            .useAnotherServer, .serverMoved, .unspecifiedError, .implementationSpecificError:
            self = .serverUnavailable
        case .badUserNameOrPassword: self = .badUserNameOrPassword
        case .notAuthorized, .banned, .badAuthenticationMethod: self = .notAuthorized
        default: return nil
        }
    }

    /// The same in MQTT 5's terms.
    package var reason: ReasonCode {
        switch self {
        case .accepted: .success
        case .unacceptableProtocolVersion: .unsupportedProtocolVersion
        case .identifierRejected: .clientIdentifierNotValid
        case .serverUnavailable: .serverUnavailable
        case .badUserNameOrPassword: .badUserNameOrPassword
        case .notAuthorized: .notAuthorized
        }
    }
}
