// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import HTTPKit
import Identity
import Messaging

/// Who may read a channel: a thing with the right to subscribe to it, a person whose token acts in its domain and is
/// good for `messages:read`, or who has a role on it or on a group above it.
struct ReaderAccess: Sendable {
    let authenticator: ThingAuthenticator
    let things: ThingsClient
    let verifier: any AccessTokenVerifier

    /// Who asks for which channel; kept by what goes on reading for long, to ask again.
    struct Question: Sendable {
        let request: Request
        let channel: ChannelReference
        /// Where the path names one.
        let domain: DomainReference?

        /// A route captures `:id` and, in the form below a domain, `:domain`.
        init(_ request: Request, _ context: ServiceRequestContext) throws(ServiceError) {
            guard let channel = ChannelReference(context.parameters.get("id") ?? "") else {
                throw ReaderAccess.unknownChannel
            }
            self.request = request
            self.channel = channel
            guard let text = context.parameters.get("domain") else {
                domain = nil
                return
            }
            guard let domain = DomainReference(text) else { throw ReaderAccess.unknownChannel }
            self.domain = domain
        }
    }

    /// Who asks decides how: a person by the channel's domain, a thing by its right to subscribe.
    /// - Returns: the channel that is meant.
    func authorize(_ question: Question) async throws(ServiceError) -> ChannelID {
        let header = question.request.headers[.authorization]
        guard Credential.isBearer(authorization: header) else {
            let credential = try Credential.parse(authorization: header)
            let access = AccessRequest(
                credential: credential, channel: ChannelAddress(question.channel, domain: question.domain),
                right: .subscribe)
            return try await authenticator.authorize(access).channel
        }
        let principal = try await verifier.verify(try BearerToken.require(question.request))
        let address = ChannelAddress(question.channel, domain: question.domain)
        return try await things.channel(address, readableBy: principal).id
    }

    /// Whether who was let in may go on: not when the right was taken back; but a token that has run out meanwhile was good when the reading
    /// began, and what cannot be decided now stays as it was.
    func recheck(_ question: Question) async throws(ServiceError) {
        do throws(ServiceError) {
            _ = try await authorize(question)
        } catch {
            guard error.kind == .unavailable || error.reason == "token-expired" else { throw error }
        }
    }

    /// A channel of another domain is answered as one that does not exist.
    static let unknownChannel = ServiceError(
        .notFound, reason: "unknown-channel", "there is no such channel for who asks")
}
