// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Logging
import Mail
import Observability
import ServiceKit

/// Sends what waits in the queue, each mail at least once: one that the server did not take is tried again, with growing waits, for a day.
///
/// Any number of instances may dispatch: a mail that one has taken is left alone by the others until its lease is over.
struct MailDispatcher: Service, CustomStringConvertible {
    /// How often the queue is looked at without being woken: for mails that are due again, or another instance's.
    private static let pollInterval: Duration = .seconds(1)

    let store: UsersStore
    let queue: MailQueue
    let settings: MailSettings
    let clock: WallClock
    let logger: Logger
    let health: HealthCheck
    let outcomes: LabelledMetric<Counter>
    let waiting: Gauge

    var description: String { "mail" }

    func run() async throws {
        await cancelWhenGracefulShutdown { await dispatch() }
    }

    private func dispatch() async {
        // Unstructured ticks would outlive the dispatcher: this task group ends with it.
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [queue] in
                while (try? await Task.sleep(for: Self.pollInterval)) != nil { queue.wake() }
            }
            for await _ in queue.wakeUps {
                guard !Task.isCancelled else { break }
                do {
                    while try await sendBatch() == MailLimits.batch, !Task.isCancelled {}
                    waiting.set(Double(try await store.waitingMails()))
                } catch {
                    logger.warning("the queue of mails cannot be read", metadata: ["error": "\(error)"])
                }
            }
            group.cancelAll()
        }
    }

    /// - Returns: how many mails were due.
    private func sendBatch() async throws -> Int64 {
        let mails = try await store.takeDueMails(now: clock.now())
        for mail in mails {
            guard !Task.isCancelled else { break }
            try await send(mail)
        }
        return Int64(mails.count)
    }

    private func send(_ mail: QueuedMail) async throws {
        guard let message = try await message(for: mail) else {
            try await finish(mail, "dropped")
            return
        }
        let now = clock.now()
        do {
            let wireForm = message.wireForm(identifier: mail.id, time: mail.createdAt)
            try await settings.transport.send(wireForm, from: message.from, to: message.to)
            health.set(.up)
            try await finish(mail, "sent")
        } catch let error as MailError {
            let refusals = mail.refusals + (error.kind == .refused ? 1 : 0)
            if error.kind == .deferred { health.set(.degraded(error.description)) }
            guard refusals < MailLimits.maximumRefusals, now - mail.createdAt < MailLimits.maximumAgeNanoseconds else {
                logger.error(
                    "a mail was given up",
                    metadata: ["kind": "\(mail.kind.rawValue)", "mail": "\(mail.id)", "reason": "\(error)"])
                try await finish(mail, "failed")
                return
            }
            outcomes.with("deferred").increment()
            logger.warning(
                "a mail waits for another attempt",
                metadata: ["kind": "\(mail.kind.rawValue)", "mail": "\(mail.id)", "reason": "\(error)"])
            try await store.deferMail(
                mail.id, until: now + MailLimits.retryNanoseconds(afterAttempts: mail.attempts), refusals: refusals,
                error: error.description)
        }
    }

    private func finish(_ mail: QueuedMail, _ outcome: String) async throws {
        try await store.deleteMail(mail.id)
        outcomes.with(outcome).increment()
    }

    /// - Returns: nil when there is nothing to say (any more), or nobody to say it to: an unknown user, an identity that is no address.
    private func message(for mail: QueuedMail) async throws -> MailMessage? {
        let texts = MailTexts(settings: settings)
        guard let to = MailAddress(mail.recipient) else { return nil }
        switch mail.kind {
        case .passwordReset:
            guard let user = try await store.user(identity: mail.recipient), user.status == .enabled,
                let address = MailAddress(user.identity)
            else { return nil }
            // Made now, so that the token is nowhere but in the mail; one that was not delivered dies of age.
            let token = SecretKey.generate()
            let now = clock.now()
            try await store.insertPasswordReset(
                hash: SecretKey.hash(token), user: user.id, now: now,
                expiresAt: now + settings.resetLifetimeSeconds * 1_000_000_000)
            return texts.passwordReset(to: address, token: token)
        case .passwordChanged:
            return texts.passwordChanged(to: to, time: mail.createdAt)
        case .identityChanged:
            return texts.identityChanged(to: to, time: mail.createdAt)
        case .userRemoved:
            return texts.userRemoved(to: to, time: mail.createdAt)
        case .invitation:
            guard let subject = mail.subject,
                let invitation = try await store.invitation(
                    InvitationID(high: subject.high, low: subject.low), now: clock.now())
            else { return nil }
            let token = SecretKey.generate()
            try await store.setInvitationToken(invitation.id, hash: SecretKey.hash(token))
            return texts.invitation(
                to: to, domain: invitation.domainName, token: token, until: invitation.expiresAt)
        }
    }
}
