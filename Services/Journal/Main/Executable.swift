// SPDX-License-Identifier: Apache-2.0
import JournalService
import ServiceKit

@main struct Executable { static func main() async { await ServiceRunner.main(JournalService.description) } }
