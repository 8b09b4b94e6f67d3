"""The saga: a deploy as steps that each leave their undo on the host before they act."""
