"""The accuracy of models and their parts: the embedded one, `photo`, the cores of the papers, the mask tracker."""
