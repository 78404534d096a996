// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import HTTPKit

@Suite struct RefusalReporterTests {
    @Test func whatGoesOnIsGatheredForLonger() {
        var gathered = RefusalReporter.Gathered()
        var windows: [Int] = []
        for _ in 0..<7 {
            var count = 1
            while !gathered.endWindow() { count += 1 }
            windows.append(count)
            gathered = gathered.continued
        }
        #expect(windows == [1, 2, 4, 8, 16, 30, 30])
        #expect(gathered.repeated == nil)
    }
}
