# Thin on purpose: each target is one script in tools/, which can be run and read by itself.
.PHONY: demo test lint bench soak locks

demo: ## a whole deploy, a failed one, and a killed one, on this machine (APP=laravel: ssh, MariaDB, real Laravel)
	@tools/demo $(APP)

test: ## brings what the tests need, lints, and runs every suite
	@tools/test

lint: ## every checker over every file
	@tools/lint

bench: ## ratios against baselines of the same run
	@tools/bench

soak: ## seeded chaos histories
	@tools/soak

locks: ## requirements/*.txt made anew from requirements/*.in
	@tools/locks
