// SPDX-License-Identifier: Apache-2.0
import Observability

extension ThingAuthenticator {
    /// Sizes of everything here that is bounded, read when somebody asks for the metrics.
    public func register(in metrics: MetricsRegistry) {
        metrics.observe("martlet_rights_cached", help: "Keys and rights that are remembered.") { [self] in
            Double(cache.counts.entries)
        }
        metrics.observe("martlet_rights_refusals_cached", help: "Refusals that are remembered.") { [self] in
            Double(cache.counts.refusals)
        }
        metrics.observe("martlet_rights_waiting", help: "Requests that wait for an answer of things.") { [self] in
            Double(waiters)
        }
        metrics.observe("martlet_rights_sessions", help: "Live sessions that end with their right.") { [self] in
            Double(sessions.count)
        }
    }
}
