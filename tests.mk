# Tests of the whole product from outside. Included by the main Makefile; needs `make debug`.
# ONLY=word runs the tests whose name holds the word; SEED=new plays other histories, SEED=number repeats them; WHOLE=1 sweeps every crash point widely.
.PHONY: e2e-test machine-test
e2e-test: ## Test the real programs end to end, with kills and faults: ONLY=word SEED=new WHOLE=1
	@python3 -u Tests/EndToEnd/run.py --programs $(DEBUG) $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED)) $(if $(WHOLE),--whole)

machine-test: ## Boot a Debian machine and walk docs/guides/deploy.md in it, under systemd and with its power cut (root, debootstrap, qemu)
	@python3 Tests/Machine/run.py --needs; case $$? in 0) $(MAKE) --no-print-directory machine-walk ;; 75) ;; *) exit 1 ;; esac

.PHONY: machine-walk
machine-walk: build $(C_FAULTY)
	@python3 -u Tests/Machine/run.py --release $(RELEASE) --c-build $(C_BUILD) --build $(BUILD)/machine
