import Domain

/// A tenant with something on every page, in the shapes of the commands.
enum Samples {
  static let id = String(repeating: "3f9a", count: 16)
  static let callHash = String(repeating: "c4", count: 32)
  static let page = "/approvals/\(id)"
  static let pages = ["/", "/approvals", page, "/decisions", "/signals", "/actions", "/flow", "/ledger"]

  static let answers: [String: JSONValue] = [
    "approval.list": .array(approvals), "approval.show": approval, "approval.approve": ["state": "approved"],
    "approval.reject": ["state": "rejected"], "decision.list": decisions, "signal.list": .array(signals),
    "action.list": actions, "top": top, "ledger.status": ledger,
  ]

  static let approval: JSONValue = merged(
    listed(id, "crm.close_lost", "1C1I7A6R", "Cancity", "Moses Frase", 482_600),
    [
      "state": "pending",
      "evidence": [
        ["stream": "opportunities", "key": "1C1I7A6R", "commitment": .string(String(repeating: "8b1d", count: 16))],
        ["stream": "accounts", "key": "Cancity", "commitment": .string(String(repeating: "07ee", count: 16))],
      ],
      "signals": [signals[0]],
      "change": [
        ["field": "stage", "from": "Engaging", "to": "Lost"],
        ["field": "close_date", "from": nil, "to": "2017-07-14"],
        ["field": "close_value", "from": nil, "to": 0],
      ],
      "arguments": [
        "opportunity": "1C1I7A6R", "expect_version": 4,
        "set": ["stage": "Lost", "close_date": "2017-07-14", "close_value": 0],
      ],
      "current": ["stage": "Engaging", "close_date": nil, "close_value": nil],
      "undo": ["tool": "crm.reopen", "arguments": ["opportunity": "1C1I7A6R", "set": ["stage": "Engaging"]]],
      "cost_cents": 0,
      "confidence": [
        "of": "GTX Pro deals that reached an age of 120 days, have closed since and were won", "successes": 41,
        "trials": 312, "rate_ppm": 131_410, "low_ppm": 98_300, "high_ppm": 173_400, "still_open": 217,
        "base_rate_ppm": 631_000,
      ],
      "uncertain": [
        "Whether Moses Frase is still in talks with Cancity.",
        "The rate is 13.1 % of 312 deals; it lies between 9.8–17.3 %.",
      ],
      "stop_reason":
        "At 139 days 13.1 % of 312 such deals were won; closing it is for a person to judge.",
      "reasons": [
        ["rule": "mode.propose", "sentence": "The tenant's mode is propose: everything waits for a person."],
        ["rule": "crm.close.needs_person", "sentence": "Closing a deal is for the owner's manager."],
      ],
    ])

  static let approvals: [JSONValue] = [
    listed(String(repeating: "71", count: 32), "crm.create_task", "HJ4GKF2P", "Isdom", "Zane Levy", 55_000),
    listed(id, "crm.close_lost", "1C1I7A6R", "Cancity", "Moses Frase", 482_600),
    listed(String(repeating: "5a", count: 32), "crm.fill_account", "0L2PYQ4Q", "Betatech", "Anna Snelling", 109_600),
    listed(String(repeating: "b0", count: 32), "crm.close_lost", "Z063OYW0", "Hottechi", "Markita Hansen", 2_676_800),
  ]

  static let signals: [JSONValue] = [
    [
      "kind": "deal.stalled", "day": "2017-07-14", "subject": ["type": "opportunity", "id": "1C1I7A6R"],
      "account": "Cancity", "owner": "Moses Frase",
      "facts": ["age_days": 139, "limit_days": 138, "closed_deals": 1_164, "list_cents": 482_600],
    ],
    [
      "kind": "account.heat", "day": "2017-07-13", "subject": ["type": "account", "id": "Isdom"], "account": "Isdom",
      "facts": ["engaged_recently": 9, "engaged_before": 2, "window_days": 30],
    ],
  ]

  static let decisions: JSONValue = [
    [
      "id": .string(id), "day": "2017-07-14", "playbook": "stalled-deal", "kind": "draft",
      "subject": ["type": "opportunity", "id": "1C1I7A6R"], "account": "Cancity", "owner": "Moses Frase",
      "state": "held", "expected_value_cents": 482_600,
      "stop_reason": "At 139 days 13.1 % of 312 such deals were won; closing it is for a person to judge.",
    ],
    [
      "id": "aa", "day": "2017-07-13", "playbook": "white-space", "kind": "abstain",
      "subject": ["type": "account", "id": "Isdom"], "account": "Isdom", "state": "noted",
      "expected_value_cents": 0, "stop_reason": "Only 12 such deals are known; that is too little to judge by.",
    ],
  ]
  static let actions: JSONValue = [
    [
      "id": "ac7", "day": "2017-07-12", "tool": "crm.create_task",
      "subject": ["type": "opportunity", "id": "HJ4GKF2P"],
      "state": "done", "attempts": 1, "approved_by": "ann", "expected_value_cents": 55_000, "reason": nil,
    ],
    [
      "id": "ac8", "day": "2017-07-12", "tool": "crm.close_lost", "subject": ["type": "opportunity", "id": "Z063OYW0"],
      "state": "unresolved", "attempts": 2, "approved_by": "ann", "expected_value_cents": 2_676_800,
      "reason": "Nobody knows whether it took effect.",
    ],
  ]
  static let top: JSONValue = [
    "at_ms": 1_784_019_607_000, "uptime_ms": 8_400_000, "window_ms": 8_000,
    "bottleneck": [
      "kind": "waits", "instance": "billing", "percent": 93,
      "sentence":
        "The bottleneck is the request budget of billing: billing waited 93 % of the last 8 s for its turn, since the upstream asked for a pause (Retry-After).",
    ],
    "instances": [
      [
        "instance": "crm", "connector": "crm-source", "version": "1.0.0", "state": "pull deals",
        "endpoints": ["crm": "https://crm.example.com"], "records": 8_800, "bytes": 9_011_200, "requests": 92,
        "refusals": 0, "drops": 0, "retries": 0, "dead_letters": 3, "credit": 40,
        "recent": [
          "records": 10_000, "bytes": 409_600, "requests": 6, "refusals": 0, "drops": 0, "retries": 0,
          "waits": ["upstream_slow": 1_000],
        ],
        "throttle": ["limit": 4, "in_flight": 2, "queued": 0, "oldest_wait_ms": nil, "held": nil, "halvings": [:]],
        "deliveries": ["waiting": 0, "oldest_wait_ms": nil],
        "waits": ["upstream_slow": 12_345, "throttled": 830, "apply_lag": 0],
        "waits_for": [["cause": "upstream_slow", "percent": 12, "words": "an answer", "reason": nil]],
      ],
      [
        "instance": "billing", "connector": "crm-source", "version": "1.0.0",
        "state": "waiting: the source answered 429", "endpoints": [:], "records": 0, "bytes": 0, "requests": 3,
        "refusals": 4, "drops": 1, "retries": 2, "dead_letters": 0, "credit": nil,
        "recent": [
          "records": 0, "bytes": 0, "requests": 1, "refusals": 4, "drops": 0, "retries": 1,
          "waits": ["throttled": 7_440, "upstream_slow": 400],
        ],
        "throttle": [
          "limit": 4, "in_flight": 1, "queued": 12, "oldest_wait_ms": 75_000, "held": "retry_after", "halvings": [:],
        ],
        "deliveries": ["waiting": 320, "oldest_wait_ms": 41_000],
        "waits": ["throttled": 75_000],
        "waits_for": [
          [
            "cause": "throttled", "percent": 93, "words": "its turn",
            "reason": "the upstream asked for a pause (Retry-After)",
          ],
          ["cause": "upstream_slow", "percent": 5, "words": "an answer", "reason": nil],
        ],
      ],
    ],
    "journal_position": 10_412, "applied_position": 10_409, "unapplied": 3, "ledger_entries": 1_733, "held": 4,
    "dead_letters": 3,
  ]
  static let ledger: JSONValue = [
    "size": 1_733, "vkey": "sluice.example/demo+5c1f8a02+AQ0oXxP2hJ1Yt0mUu3y2zq5o2mE8kq1cJm7bB9c2hY0=",
    "checkpoint":
      "sluice.example/demo\n1733\nqz1nQb1k0c7d8xM0c9mJ3yT2pQk8vQm3k5Xo1Zc7rYg=\n\n— sluice.example/demo XB+KAk3Q==\n",
  ]

  private static func listed(
    _ id: String, _ tool: String, _ deal: String, _ account: String, _ owner: String, _ cents: Int64
  ) -> JSONValue {
    [
      "id": .string(id), "day": "2017-07-14", "playbook": "stalled-deal", "kind": "draft", "tool": .string(tool),
      "subject": ["type": "opportunity", "id": .string(deal)], "account": .string(account), "owner": .string(owner),
      "approver": "Dustin Brinkmann", "expected_value_cents": .integer(cents), "expires_at_ms": 1_784_019_600_000,
      "call_hash": .string(callHash),
    ]
  }
  private static func merged(_ left: JSONValue, _ right: JSONValue) -> JSONValue {
    .object(left.object!.merging(right.object!) { $1 })
  }
}
