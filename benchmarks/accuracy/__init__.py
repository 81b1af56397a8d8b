"""How right models and their parts are: the embedded one, `photo`, the cores of the papers, the mask tracker."""
