"""For nbgrader on the course's own notebooks: put it into the course folder. It keeps the stubs of the answer
cells, which nbgrader would replace as a whole. Not needed where the source is made by `labdiff key`: its
answers stand between nbgrader's marks.
"""

c = get_config()  # noqa: F821
c.ClearSolutions.enabled = False
c.ExecutePreprocessor.timeout = 600  # seconds for a cell; notebook 04 trains
